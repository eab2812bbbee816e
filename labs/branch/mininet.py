#!/usr/bin/python3
"""The branch lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/branch/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
"""

import os
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402

SWITCHES = ['s1', 's2']
LINKS = [('s1', 10, 's2', 10)]
HOSTS = [
    ('ann', 's1', 1, '10.1.0.1/24'),
    ('web', 's1', 2, '10.2.0.1/24'),
    ('gus', 's1', 3, '10.3.0.1/24'),
    ('ben', 's2', 1, '10.1.0.2/24'),
    ('out', 's2', 2, '203.0.113.1/24'),
]


class Branch(Topo):
    """Two switches, five hosts, each but the provider with the router of its subnet as its gateway."""

    def build(self):
        for number, name in enumerate(SWITCHES, 1):
            self.addSwitch(name, dpid='%016x' % number)
        for one, port1, two, port2 in LINKS:
            self.addLink(one, two, port1=port1, port2=port2)
        for number, (name, switch, port, ip) in enumerate(HOSTS, 1):
            gateway = '%s.254' % ip.rsplit('.', 1)[0]
            routes = [] if name == 'out' else ['default via %s' % gateway]
            mac = '02:00:00:00:01:%02x' % number
            self.addHost(name, ip=ip, mac=mac, routes=routes)
            self.addLink(name, switch, port1=0, port2=port)


# For "mn --custom".
topos = {'branch': Branch}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(Branch(), __doc__.split('\n', maxsplit=1)[0])
