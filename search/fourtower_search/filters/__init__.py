"""Filters over declared attributes: written in Python, JSON or text, all three the same tree."""

from fourtower_search.filters.binding import bind
from fourtower_search.filters.fields import F
from fourtower_search.filters.json_form import as_filter, from_json, to_json
from fourtower_search.filters.tree import Filter
from fourtower_search.filters.where import from_text
from fourtower_search.filters.wording import to_text

__all__ = ["F", "Filter", "as_filter", "bind", "from_json", "from_text", "to_json", "to_text"]
