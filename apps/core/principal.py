"""Who acts, and what they may see."""

import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change: a person, an API client, a connection or a part of the hub."""

    kind: str  # user | client | connection | system
    id: str
    label: str

    @property
    def text(self) -> str:
        """One line for the audit: ``kind:id|label``."""
        return f"{self.kind}:{self.id}|{self.label}"


def system_actor(part: str) -> Actor:
    """The hub itself, named by the part that acts (``postings.lane``, ``workflows.engine``)."""
    return Actor("system", part, part)


@dataclass(frozen=True, slots=True)
class Principal:
    """An actor with roles. ``entity_ids`` None means every legal entity of the group."""

    actor: Actor
    roles: frozenset[str] = field(default_factory=frozenset)
    entity_ids: frozenset[uuid.UUID] | None = None
    person_id: uuid.UUID | None = None

    def has_role(self, *roles: str) -> bool:
        return bool(self.roles.intersection(roles))
