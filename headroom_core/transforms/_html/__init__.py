"""Pages: a forgiving, linear reader (`tree`), what is content and what is chrome (`content`), Markdown (`markdown`)."""
