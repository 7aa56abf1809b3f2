"""Loading an installation from one JSON file: entities, people, connections, mappings."""
