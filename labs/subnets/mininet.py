#!/usr/bin/python3
"""The subnets lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/subnets/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
"""

import os
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402

SWITCHES = ['s1', 's2', 's3']
LINKS = [('s1', 10, 's2', 10), ('s2', 11, 's3', 10), ('s3', 11, 's1', 11)]
HOSTS = [
    ('ann', 's1', 1, '10.1.0.1/24'),
    ('web', 's1', 2, '10.2.0.1/24'),
    ('ben', 's2', 1, '10.1.0.2/24'),
    ('db', 's2', 2, '10.2.0.2/24'),
    ('gus', 's2', 3, '10.3.0.1/24'),
    ('eve', 's3', 1, '10.3.0.2/24'),
]
# Frames of eve carry a tag.
VLANS = {'eve': 30}


class Subnets(Topo):
    """Three switches, six hosts, each with the router of its subnet as its gateway."""

    def build(self):
        for number, name in enumerate(SWITCHES, 1):
            self.addSwitch(name, dpid='%016x' % number)
        for one, port1, two, port2 in LINKS:
            self.addLink(one, two, port1=port1, port2=port2)
        for number, (name, switch, port, ip) in enumerate(HOSTS, 1):
            more = {'vlan': VLANS[name]} if name in VLANS else {}
            gateway = '%s.254' % ip.rsplit('.', 1)[0]
            mac = '02:00:00:00:01:%02x' % number
            self.addHost(name, ip=ip, mac=mac, routes=['default via %s' % gateway], **more)
            self.addLink(name, switch, port1=0, port2=port)


# For "mn --custom".
topos = {'subnets': Subnets}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(Subnets(), __doc__.split('\n', maxsplit=1)[0])
