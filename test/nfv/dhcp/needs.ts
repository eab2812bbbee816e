/** Clients of DHCP and DNS that people have, from Debian. */
export const clientNeeds = [
  { command: 'dhclient', package: 'isc-dhcp-client' },
  { command: 'udhcpc', package: 'udhcpc' },
  { command: 'dhcping', package: 'dhcping' },
  { command: 'dig', package: 'dnsutils' },
  { command: 'drill', package: 'ldnsutils' },
  { command: 'dnsmasq', package: 'dnsmasq-base' },
]
