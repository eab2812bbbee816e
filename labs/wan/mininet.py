#!/usr/bin/python3
"""The wan lab in Mininet, for a sluice that runs already.

    sluice run &
    sudo python3 labs/wan/mininet.py                      # tcp:127.0.0.1:6653, or --controller tcp:HOST:PORT
"""

import os
import re
import sys

# mn runs this file by exec, so __file__ is not ours; and this file must not stand in for the package it is named after.
here = os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
sys.path.append(os.path.join(here, '..', 'common'))

from mininet.topo import Topo  # noqa: E402
from sluice_mininet import SluiceHost, SluiceSwitch, main  # noqa: E402

HOSTS = [('west', 'r2', '10.0.0.1/24'), ('mid', 'r0', '10.0.0.2/24'), ('east', 'r6', '10.0.0.3/24')]


class Wan(Topo):
    """The backbone of the file beside this one; port 1 of a switch is for its host."""

    def build(self):
        with open(os.path.join(here, 'gabriel-10-0.gml'), encoding='utf-8') as file:
            text = file.read()
        labels = re.findall(r'node\s*\[\s*id (\d+)\s*label "(\w+)"', text)
        names = {node: label.lower() for node, label in labels}
        for number, name in enumerate(names.values(), 1):
            self.addSwitch(name, dpid='%016x' % number)
        used = {name: 1 for name in names.values()}
        for source, target in re.findall(r'edge\s*\[\s*source (\d+)\s*target (\d+)', text):
            one, two = names[source], names[target]
            used[one] += 1
            used[two] += 1
            self.addLink(one, two, port1=used[one], port2=used[two])
        for number, (name, switch, ip) in enumerate(HOSTS, 1):
            self.addHost(name, ip=ip, mac='02:00:00:00:01:%02x' % number, routes=[])
            self.addLink(name, switch, port1=0, port2=1)


# For "mn --custom".
topos = {'wan': Wan}
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}

if __name__ == '__main__':
    main(Wan(), __doc__.split('\n', maxsplit=1)[0])
