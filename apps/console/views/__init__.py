"""Views of the console, one file a section: read, shape, render; an action is one domain call."""
