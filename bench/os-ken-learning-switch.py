"""The peer of `npm run bench -- peers`: a learning switch as one writes it with os-ken, OpenFlow 1.3."""

from os_ken.base.app_manager import OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3


class LearningSwitch(OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.port_of = {}

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        message = event.msg
        switch = message.datapath
        parser, ofp = switch.ofproto_parser, switch.ofproto
        arrived = message.match["in_port"]
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        known = self.port_of.setdefault(switch.id, {})
        known[frame.src] = arrived
        leaves = known.get(frame.dst, ofp.OFPP_FLOOD)
        actions = [parser.OFPActionOutput(leaves)]
        if leaves != ofp.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=arrived, eth_src=frame.src, eth_dst=frame.dst)
            apply = [parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)]
            switch.send_msg(parser.OFPFlowMod(datapath=switch, priority=1, match=match, instructions=apply))
        switch.send_msg(
            parser.OFPPacketOut(
                datapath=switch,
                buffer_id=ofp.OFP_NO_BUFFER,
                in_port=arrived,
                actions=actions,
                data=message.data,
            )
        )
