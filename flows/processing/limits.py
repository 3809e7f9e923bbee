"""What this machine's kernel lets a child be limited by, found out once by starting one."""

from dataclasses import dataclass
from functools import cache

from flows.processing.children import Child, DiedError, OverrunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """`isolation`: the namespaces that a child gets; without "pid" a walk over /proc ends strays."""

    can_start: bool
    isolation: tuple[str, ...] = ()
    problem: str = ""

    @property
    def closes_network(self) -> bool:
        return "network" in self.isolation

    def __str__(self) -> str:
        if not self.can_start:
            return f"processors cannot run: {self.problem}"
        network = "closed" if self.closes_network else "open (the kernel allows no network namespace)"
        ending = "a pid namespace" if "pid" in self.isolation else "a subreaper and a walk over /proc"
        return f"processors: network {network}; left-over processes are ended by {ending}"


@cache
def capabilities() -> Capabilities:
    """Start a child, ask what it got, end it."""
    child = Child()
    try:
        return Capabilities(can_start=True, isolation=child.wait_ready())
    except (DiedError, OverrunError) as fault:
        printed = child.output.take().strip()
        return Capabilities(can_start=False, problem=f"{fault} {printed}".strip())
    finally:
        child.end()
