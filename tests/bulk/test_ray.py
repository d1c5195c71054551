"""The same job on a Ray cluster of several local nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headroom_core.bulk import compress_corpus

from .test_bulk import check, corpus

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'headroom-integrations[ray]'")


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_what_one_machine_gives(tmp_path: Path) -> None:
    """Two nodes, two actors: the parts are equal to the local ones byte for byte, and a second call does nothing."""
    from ray.cluster_utils import Cluster

    source, rows, store = corpus(tmp_path / "in.jsonl", 300), 300, f"sqlite:///{tmp_path}/s.sqlite3"
    compress_corpus(
        source, tmp_path / "here", store=store, namespace="bulk", workers=1, rows_per_part=50, progress=False
    )
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        for again in (False, True):
            report = compress_corpus(
                source,
                tmp_path / "there",
                store=store,
                namespace="bulk",
                workers=2,
                rows_per_part=50,
                progress=False,
                cluster="ray",
            )
            assert report.totals.rows == rows
            assert report.resumed_rows == (rows if again else 0)
    finally:
        ray.shutdown()
        cluster.shutdown()
    check(tmp_path / "there", rows, store)
    here, there = ({f.name: f.read_bytes() for f in (tmp_path / w).glob("part-*")} for w in ("here", "there"))
    assert here == there
