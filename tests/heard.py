"""A monitor that keeps what it was told."""

from reprov.events import Event, Note


class Heard:
    """It, with the notes in their order."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def emit(self, event: Event) -> None:
        """Keep a note."""
        if isinstance(event, Note):
            self.notes.append(event.text)
