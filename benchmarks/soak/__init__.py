"""Memory, connections and backlog of the running product under steady traffic."""
