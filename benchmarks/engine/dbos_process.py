"""One DBOS process, run by .venv-bench: it reads how many workflows to run and says when they are
done, or the id of a single one and says when it begins. No import of the hub."""

import asyncio
import os
import sys
import time

from dbos import DBOS, DBOSConfig, SetWorkflowID


@DBOS.step()
def check(order: str) -> dict[str, str]:
    return {"order": order}


@DBOS.step()
def reserve(order: str) -> dict[str, str]:
    return {"reserved": order}


@DBOS.step()
def price(reserved: str) -> dict[str, str]:
    return {"of": reserved, "net": "148210.00"}


@DBOS.step()
def confirm(net: str) -> dict[str, str]:
    return {"net": net}


@DBOS.workflow()
def bench(order: str) -> str:
    check(order)
    priced = price(reserve(order)["reserved"])
    return confirm(priced["net"])["net"]


@DBOS.step()
async def check_async(order: str) -> dict[str, str]:
    return {"order": order}


@DBOS.step()
async def reserve_async(order: str) -> dict[str, str]:
    return {"reserved": order}


@DBOS.step()
async def price_async(reserved: str) -> dict[str, str]:
    return {"of": reserved, "net": "148210.00"}


@DBOS.step()
async def confirm_async(net: str) -> dict[str, str]:
    return {"net": net}


@DBOS.workflow()
async def bench_async(order: str) -> str:
    await check_async(order)
    reserved = await reserve_async(order)
    priced = await price_async(reserved["reserved"])
    return (await confirm_async(priced["net"]))["net"]


def main(url: str, name: str, style: str, concurrency: int) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "executor_id": name,
        "application_version": "bench",
        "run_admin_server": False,
        "max_executor_threads": concurrency,
        "sys_db_pool_size": concurrency + 4,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    print("ready", flush=True)
    for line in sys.stdin:
        what, value = line.split()
        if what == "single":
            _single(value)
            continue
        if style == "async":
            asyncio.run(_many_async(int(value), concurrency))
        else:
            _many(int(value))
        print("done", flush=True)
    os._exit(0)  # its threads may sleep in a poll


def _many(count: int) -> None:
    handles = [DBOS.start_workflow(bench, str(number)) for number in range(count)]
    for handle in handles:
        handle.get_result()


async def _many_async(count: int, concurrency: int) -> None:
    gate = asyncio.Semaphore(concurrency)

    async def one(number: int) -> None:
        async with gate:
            handle = await DBOS.start_workflow_async(bench_async, str(number))
            await handle.get_result()

    await asyncio.gather(*[one(number) for number in range(count)])


def _single(key: str) -> None:
    """Start one workflow; who asked looks for its end."""
    print(time.perf_counter(), flush=True)
    with SetWorkflowID(key):
        DBOS.start_workflow(bench, key)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
