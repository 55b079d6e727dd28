"""The content of each page: typed rows, their tables, and the template that shows them."""
