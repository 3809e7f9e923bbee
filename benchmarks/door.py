"""The webhook door with durable store, beside a bare Django view with HMAC and one INSERT on the same server.

Production layout: PostgreSQL, granian WSGI, one process, four threads; signed webhooks of 1 KB over keep-alive.
"""

from benchmarks.rig.load import closed_loop
from benchmarks.rig.product import SECRET, Product, cpu_of_postgres, percentile, product

SECONDS = 5.0
ROUNDS = 3
DOORS = {"bare view": "benchmarks.rig.bare:application", "door": "whatsflow.wsgi:application"}


def measure(made: Product, application: str, connections: int) -> tuple[float, float, float, float]:
    made.start_web(application)
    closed_loop(made.url, SECRET, connections=connections, seconds=1.0)
    web, postgres = made.cpu("web"), cpu_of_postgres()
    told = closed_loop(made.url, SECRET, connections=connections, seconds=SECONDS)
    thousand = told.statuses[200] / 1000
    row = (
        told.rate,
        percentile(told.latencies, 0.5) * 1000,
        (made.cpu("web") - web) / thousand,
        (cpu_of_postgres() - postgres) / thousand,
    )
    made.stop("web")
    made.script("from conversations.models import WebhookDelivery; WebhookDelivery.objects.all().delete()")
    return row


def main() -> None:
    results: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in DOORS}
    with product({"WHATSFLOW_BACKLOG_LIMIT": "10000000"}) as made:
        for _ in range(ROUNDS):
            for name, application in DOORS.items():
                results[name].append(measure(made, application, 16))
    print(f"{'':<12}{'req/s':>8}{'p50 ms':>9}{'web s/1000':>12}{'PG s/1000':>11}{'ratio':>8}")
    reference = sorted(r[0] for r in results["bare view"])[ROUNDS // 2]
    for name, rows in results.items():
        rate, p50, web, postgres = sorted(rows)[ROUNDS // 2]
        print(f"{name:<12}{rate:>8.0f}{p50:>9.2f}{web:>12.3f}{postgres:>11.3f}{rate / reference:>8.2f}")


if __name__ == "__main__":
    main()
