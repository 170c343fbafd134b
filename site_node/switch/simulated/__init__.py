"""A telephone network in memory, and the form of the switch port that works on it.

``Network`` holds the switches of all cities, the phones at their seats, the trunks between them, and whoever calls from
outside. A city's site node gets ``Network.adapter(city)``, which is its ``Switch``. Calls live in the network, not in
the adapter, so that they go on while a site node restarts. On a virtual clock everything is repeatable from the seed.
"""

from site_node.switch.simulated.adapter import SimulatedSwitch
from site_node.switch.simulated.network import Network
from site_node.switch.simulated.phones import Caller, CallState, OutsidePhone, SeatPhone
from site_node.switch.simulated.sound import SILENCE, Hearing, Sound
from site_node.switch.simulated.trunks import Trunk

__all__ = [
    "SILENCE",
    "CallState",
    "Caller",
    "Hearing",
    "Network",
    "OutsidePhone",
    "SeatPhone",
    "SimulatedSwitch",
    "Sound",
    "Trunk",
]
