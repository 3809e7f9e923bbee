from django.db import models


class SimulationClock(models.Model):
    """How far ``clock.now()`` runs ahead of the database's clock: one row, 0 unless the simulator is on."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    offset_seconds = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"+{self.offset_seconds:.0f} s"
