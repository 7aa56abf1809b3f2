"""Reading the console's forms as a person sees them: names, values, what is chosen."""

from html.parser import HTMLParser


class FormReader(HTMLParser):
    """Collects the fields of every form of a page, with the values they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._area = ""
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and name and given.get("type") not in ("checkbox", "radio", "submit"):
            self.fields[name] = given.get("value") or ""
        elif tag == "textarea" and name:
            self._area, self.fields[name] = name, ""
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select:
            value = given.get("value") or ""
            if "selected" in given or self._select not in self.fields:
                self.fields[self._select] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data


def read_form(page: str) -> dict[str, str]:
    """Field names and present values."""
    reader = FormReader()
    reader.feed(page)
    return reader.fields
