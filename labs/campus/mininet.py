#!/usr/bin/python3
"""The campus lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/campus/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
"""

import os
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402

SWITCHES = ['d1', 'd2', 'a1', 'a2', 'a3']
LINKS = [
    ('d1', 10, 'd2', 10),
    ('d1', 1, 'a1', 11),
    ('d1', 2, 'a2', 11),
    ('d1', 3, 'a3', 11),
    ('d2', 1, 'a1', 12),
    ('d2', 2, 'a2', 12),
    ('d2', 3, 'a3', 12),
]
HOSTS = [
    ('anna', 'a1', 1, '10.10.0.1/8'),
    ('carl', 'a1', 2, '10.20.0.1/8'),
    ('guest', 'a1', 3, '10.0.0.9/8'),
    ('ben', 'a2', 1, '10.10.0.2/8'),
    ('printer', 'a2', 2, '10.20.0.50/8'),
    ('mallory', 'a2', 3, '10.0.0.66/8'),
    ('gw', 'a2', 4, '10.0.0.1/8'),
    ('dora', 'a3', 1, '10.20.0.2/8'),
    ('vera', 'a3', 2, '10.0.0.5/8'),
]
# Frames of the printer carry a tag; the guest has a second socket to plug in at, dead until it moves.
VLANS = {'printer': 200}
SPARES = {'guest': ('a3', 4)}


class Campus(Topo):
    """Two distribution switches, three access switches, nine hosts."""

    def build(self):
        for number, name in enumerate(SWITCHES, 1):
            self.addSwitch(name, dpid='%016x' % number)
        for one, port1, two, port2 in LINKS:
            self.addLink(one, two, port1=port1, port2=port2)
        for number, (name, switch, port, ip) in enumerate(HOSTS, 1):
            more = {'vlan': VLANS[name]} if name in VLANS else {}
            self.addHost(name, ip=ip, mac='02:00:00:00:01:%02x' % number, routes=[], **more)
            self.addLink(name, switch, port1=0, port2=port)
        for name, (switch, port) in SPARES.items():
            self.addLink(name, switch, port1=1, port2=port)


# For "mn --custom".
topos = {'campus': Campus}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(Campus(), __doc__.split('\n', maxsplit=1)[0])
