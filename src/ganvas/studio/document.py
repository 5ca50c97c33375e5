"""The document of a session: versions of a recipe and its drawn areas, none of which is ever thrown away.

Undoing goes to the version that this one was made from, redoing to the one that was left last; whoever changes an
earlier version makes a branch, and can go to any version of any branch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ganvas.edits.recipe import Recipe
from ganvas.errors import GanvasError
from ganvas.regions import Region


@dataclass(frozen=True)
class Area:
    """A region by its number, which stays, and its name."""

    number: int
    name: str
    region: Region


@dataclass(frozen=True)
class Version:
    """A recipe with its areas, what was done to make it, and the version that it was made from."""

    number: int
    parent: int | None
    title: str
    recipe: Recipe
    areas: tuple[Area, ...] = ()
    chosen: int | None = None

    @property
    def area(self) -> Area | None:
        """The area that is chosen."""
        return next((one for one in self.areas if one.number == self.chosen), None)


@dataclass
class Document:
    """All versions by number, and the one that is shown."""

    versions: dict[int, Version] = field(default_factory=dict)
    current: int = -1
    redone: dict[int, int] = field(default_factory=dict)

    @property
    def now(self) -> Version:
        """The version that is shown."""
        return self.versions[self.current]

    def is_edit(self, version: Version) -> bool:
        """Whether a version has another recipe than the one that it was made from."""
        return version.parent is None or self.versions[version.parent].recipe is not version.recipe

    @property
    def can_undo(self) -> bool:
        """Whether this version was made from another."""
        return self.current in self.versions and self.now.parent is not None

    @property
    def can_redo(self) -> bool:
        """Whether another version was made from this one."""
        return self.current in self.redone

    def start(self, title: str, recipe: Recipe) -> Version:
        """Add a version that was made from none."""
        return self._add(Version(self._next, None, title, recipe))

    def change(self, title: str, **changes: Any) -> Version:
        """Add a version that was made from the present one, with another `recipe`, other `areas`, another one `chosen`;
        what is left out stays.
        """
        return self._add(replace(self.now, number=self._next, parent=self.current, title=title, **changes))

    @contextmanager
    def withdrawn_if_refused(self) -> Iterator[None]:
        """Take back the change that was made last, as if it had never been, where the library refuses to show it."""
        try:
            yield
        except GanvasError:
            version = self.versions.pop(self.current)
            if version.parent is not None:
                self.redone.pop(version.parent, None)
                self.current = version.parent
            raise

    def choose(self, number: int | None) -> None:
        """Choose another area of the present version, which is no change of the document."""
        self.versions[self.current] = replace(self.now, chosen=number)

    def undo(self) -> None:
        """Go to the version that this one was made from."""
        parent = self.now.parent
        if parent is not None:
            self.redone[parent] = self.current
            self.current = parent

    def redo(self) -> None:
        """Go to the version that was left last."""
        self.current = self.redone.get(self.current, self.current)

    def go(self, number: int) -> None:
        """Go to any version; redoing from those before it then leads here."""
        if number in self.versions:
            for below, above in self._way_to(number):
                self.redone[below] = above
            self.current = number

    @property
    def _next(self) -> int:
        return max(self.versions, default=-1) + 1

    def _add(self, version: Version) -> Version:
        self.versions[version.number] = version
        if version.parent is not None:
            self.redone[version.parent] = version.number
        self.current = version.number
        return version

    def _way_to(self, number: int) -> Iterator[tuple[int, int]]:
        parent = self.versions[number].parent
        while parent is not None:
            yield parent, number
            number, parent = parent, self.versions[parent].parent
