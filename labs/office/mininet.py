#!/usr/bin/python3
"""The office lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/office/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
    sudo mn --custom labs/office/mininet.py --topo office --switch sluice --host sluice \
        --controller remote,ip=127.0.0.1,port=6653

        ann  bob                 cat
          \\  |                    |
            s1 ---------------- s2
             |                    |
            s4 ---------------- s3
             |                   | \\
            out                 web  db
"""

import os
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402

INSIDE = ['203.0.113.0/24']


class Office(Topo):
    """Four switches in a ring, an office (10.1), servers (10.2), and the outside."""

    def build(self):
        for number in range(1, 5):
            self.addSwitch('s%d' % number, dpid='%016x' % number)
        self.addLink('s1', 's2', port1=3, port2=3)
        self.addLink('s2', 's3', port1=4, port2=3)
        self.addLink('s3', 's4', port1=4, port2=3)
        self.addLink('s4', 's1', port1=4, port2=4)
        self.plug('ann', '10.1.0.1/8', 's1', 1, '02:00:00:00:01:01', INSIDE)
        self.plug('bob', '10.1.0.2/8', 's1', 2, '02:00:00:00:01:02', INSIDE)
        self.plug('cat', '10.1.0.3/8', 's2', 1, '02:00:00:00:01:03', INSIDE)
        self.plug('web', '10.2.0.10/8', 's3', 1, '02:00:00:00:01:04', INSIDE)
        self.plug('db', '10.2.0.20/8', 's3', 2, '02:00:00:00:01:05', INSIDE)
        self.plug('out', '203.0.113.9/24', 's4', 1, '02:00:00:00:01:06', ['10.0.0.0/8'])

    def plug(self, name, ip, switch, port, mac, routes):
        self.addHost(name, ip=ip, mac=mac, routes=routes)
        self.addLink(name, switch, port1=0, port2=port)


# For "mn --custom".
topos = {'office': Office}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(Office(), __doc__.split('\n', maxsplit=1)[0])
