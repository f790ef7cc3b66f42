"""A network that breaks connections again and again is no second agent with the same name."""

from functools import partial

from edge_agent.link import THROWN_OFF, LinkSettings
from tests.conftest import Broker
from tests.faults.proxy import Proxy
from tests.integration.test_agent_link import House, InHouse, in_house

__all__ = ["in_house"]


def _has(proxy: Proxy, connections: int) -> bool:
    return proxy.connections >= connections


def test_connections_that_break_in_a_row_do_not_end_the_agent(in_house: InHouse, broker: Broker) -> None:
    async def story(house: House) -> None:
        proxy = Proxy(broker.address)
        settings = LinkSettings("127.0.0.1", proxy.port, house.topics, reconnect_first_s=0.1, reconnect_max_s=0.2)
        try:
            house.add("agv-01", settings)
            link = house.process._links["agv-01"]
            for number in range(THROWN_OFF + 2):
                await house.until(lambda: link.is_up)
                proxy.cut()
                wanted = number + 2  # the connection that was cut, and the next one
                await house.until(partial(_has, proxy, wanted))
            await house.until(lambda: link.is_up)
            house.job("agv-01")
            await house.until(lambda: house.ended("agv-01"))
        finally:
            proxy.close()
        assert not house.running.done()

    assert in_house(story) == 0
