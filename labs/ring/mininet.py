#!/usr/bin/python3
"""The ring lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/ring/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
"""

import os
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402


class Ring(Topo):
    """Six switches in a ring, with a cable across."""

    def build(self):
        for number in range(1, 7):
            self.addSwitch('s%d' % number, dpid='%016x' % number)
        for number in range(1, 7):
            self.addLink('s%d' % number, 's%d' % (number % 6 + 1), port1=2, port2=3)
        self.addLink('s1', 's4', port1=4, port2=4)
        for number in range(1, 7):
            self.addHost('h%d' % number, ip='10.0.0.%d/24' % number, mac='02:00:00:00:01:%02x' % number, routes=[])
            self.addLink('h%d' % number, 's%d' % number, port1=0, port2=1)


# For "mn --custom".
topos = {'ring': Ring}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(Ring(), __doc__.split('\n', maxsplit=1)[0])
