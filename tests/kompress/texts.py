"""Small texts written for these tests."""

DOCUMENTS = [
    "The harbour of Lenvik was built in 1891 by the engineer Ada Moen. It has two piers. Fishing boats use the northern one.",
    "Ada Moen was born in Tromsø in 1854. She studied in Zürich and never married. Her notebooks are kept in Bergen.",
    "The market of Lenvik opens on Saturdays. Farmers sell cheese, bread and wool. There is no entrance fee.",
    "Sheep are kept on most islands of the north. Their wool is washed, combed and spun. The spinning takes about 14 days.",
]

QUESTION = "Where was the engineer born who built the harbour of Lenvik?"

LONG = " ".join(
    f"On day {i} the crew of the Aurora measured {i * 3} metres of ice, and the log for that day does not mention any damage. "
    f"The captain wrote that supplies were good and that morale had not changed since the last report."
    for i in range(1, 60)
)
