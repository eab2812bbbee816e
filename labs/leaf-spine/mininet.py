#!/usr/bin/python3
"""The leaf-spine lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/leaf-spine/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
"""

import os
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402


class LeafSpine(Topo):
    """Four spines, eight leaves, thirty-two hosts."""

    def build(self):
        for number in range(1, 5):
            self.addSwitch('spine%d' % number, dpid='%016x' % number)
        for number in range(1, 9):
            self.addSwitch('leaf%d' % number, dpid='%016x' % (number + 4))
        for leaf in range(1, 9):
            for spine in range(1, 5):
                self.addLink('leaf%d' % leaf, 'spine%d' % spine, port1=10 + spine, port2=leaf)
        for number in range(1, 33):
            leaf, port = (number - 1) // 4 + 1, (number - 1) % 4 + 1
            self.addHost('h%d' % number, ip='10.0.0.%d/24' % number, mac='02:00:00:00:01:%02x' % number, routes=[])
            self.addLink('h%d' % number, 'leaf%d' % leaf, port1=0, port2=port)


# For "mn --custom".
topos = {'leaf-spine': LeafSpine}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(LeafSpine(), __doc__.split('\n', maxsplit=1)[0])
