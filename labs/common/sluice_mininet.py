"""What the Mininet scripts of the labs share: switches and hosts that work with sluice, and a way to be driven.

Open vSwitch runs its userspace datapath, so the labs need no kernel module. Frames from a host leave with
unfinished checksums by default, which that datapath hands on as they are: ping works, TCP does not. SluiceHost
switches the offload off.
"""

import argparse
import json
import os
import subprocess
import sys

from mininet.cli import CLI
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch


class SluiceHost(Host):
    """A host whose frames leave whole, with the routes that its lab gives it."""

    def config(self, routes=(), vlan=None, **params):
        result = super().config(**params)
        for interface in self.intfNames():
            self.cmd('ethtool -K %s tx off' % interface)
        device = self.intfNames()[0]
        if vlan is not None:
            tagged = self.tag(device, vlan, params['mac'])
            self.cmd('ip addr flush dev %s' % device)
            self.cmd('ip addr add %s dev %s' % (params['ip'], tagged))
            device = tagged
        for route in routes:
            self.cmd('ip route add %s dev %s' % (route, device))
        # Other interfaces are places to move to: dead until then.
        for spare in self.intfNames()[1:]:
            self.cmd('ip addr flush dev %s' % spare)
            self.cmd('ip link set %s down' % spare)
        return result


    def tag(self, device, vlan, mac):
        """The interface behind which frames carry a tag; by a process where the kernel cannot do it."""
        tagged = '%s.%d' % (device, vlan)
        if not self.cmd('ip link add link %s name %s type vlan id %d' % (device, tagged, vlan)):
            self.cmd('ip link set %s up' % tagged)
            return tagged
        self.cmd('ip link add lan type veth peer name untagged')
        for line in ('lan address %s' % mac, 'lan up', 'untagged up'):
            self.cmd('ip link set %s' % line)
        self.cmd('ethtool -K lan tx off')
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tag_frames.py')
        self.tagger = self.popen([sys.executable, script, device, str(vlan), 'untagged'])
        return 'lan'

    def terminate(self):
        if getattr(self, 'tagger', None):
            self.tagger.terminate()
        super().terminate()


class SluiceSwitch(OVSSwitch):
    """Open vSwitch in the userspace datapath; it keeps its flows while there is no controller."""

    # Where the controller is, in the words of ovs-vsctl; None: as Mininet says.
    target = None

    def __init__(self, name, **params):
        params.update(datapath='user', failMode='secure', protocols='OpenFlow13', inband=False)
        super().__init__(name, **params)

    def start(self, controllers):
        super().start(controllers)
        # Mininet may gather these words into one command for all switches, so each begins with "--".
        if self.target:
            self.vsctl(' -- set-controller %s %s' % (self, self.target))
            self.vsctl(' -- set controller %s max_backoff=1000 inactivity_probe=5000' % self)

    def power(self, is_on):
        """Without power its cables are dark, and it speaks with nobody."""
        for interface in self.intfNames():
            if interface != 'lo':
                self.cmd('ip link set %s %s' % (interface, 'up' if is_on else 'down'))
        words = 'set-controller %s %s' % (self, self.target) if is_on else 'del-controller %s' % self
        self.cmd('ovs-vsctl %s' % words)


# For "mn --custom FILE --switch sluice --host sluice".
switches = {'sluice': SluiceSwitch}
hosts = {'sluice': SluiceHost}


def build(topo, target):
    SluiceSwitch.target = target
    # MACs and controllers are given: by the topology, and by target.
    return Mininet(topo=topo, switch=SluiceSwitch, host=SluiceHost, controller=None, build=True)


def describe(topo):
    """The topology as JSON, to be compared with lab.yaml."""
    ends = [
        sorted(['%s:%d' % (info['node1'], info['port1']), '%s:%d' % (info['node2'], info['port2'])])
        for _, _, _, info in topo.links(withKeys=True, withInfo=True)
    ]
    return {
        'switches': {name: topo.nodeInfo(name).get('dpid') for name in topo.switches()},
        'hosts': {
            name: {key: topo.nodeInfo(name).get(key) for key in ('ip', 'mac', 'routes', 'vlan')}
            for name in topo.hosts()
        },
        'links': sorted(ends),
    }


def serve(net):
    """Does what lines on standard input say, and answers each with a line; ends with the input."""
    reply({'hosts': {host.name: host.pid for host in net.hosts}})
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ['link'] and len(words) == 4:
            net.configLinkStatus(words[1], words[2], words[3])
            reply({'done': line.strip()})
        elif words[:1] == ['power'] and len(words) == 3:
            net[words[1]].power(words[2] == 'on')
            reply({'done': line.strip()})
        else:
            reply({'error': 'link NODE NODE up|down, or power NODE on|off'})


def reply(value):
    print(json.dumps(value), flush=True)


def main(topo, description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--controller', default='tcp:127.0.0.1:6653', help='where sluice listens')
    parser.add_argument('--serve', action='store_true', help='obey standard input instead of a prompt')
    parser.add_argument('--describe', action='store_true', help='print the topology as JSON and end')
    options = parser.parse_args()
    if options.describe:
        reply(describe(topo))
        return
    if subprocess.run(['ovs-vsctl', '--timeout=5', 'show'], capture_output=True).returncode != 0:
        sys.exit('Open vSwitch does not run: start it with "service openvswitch-switch start".')
    setLogLevel('warning' if options.serve else 'info')
    net = build(topo, options.controller)
    try:
        net.start()
        serve(net) if options.serve else CLI(net)
    finally:
        net.stop()
