/** Rules of other firewalls in a folder: their kind by name, and networks for the interfaces that they name. */

/** What a file of this name is read as; undefined: nothing that is imported. */
export const formatOf = (file: string, source: string): string | undefined => {
  if (/\.(ipt|v4|v6|save)$/.test(file)) return 'iptables'
  if (file.endsWith('.nft') || /"nftables"\s*:/.test(source)) return 'nft'
  if (file.endsWith('.json')) return 'openstack'
  if (!/\.ya?ml$/.test(file)) return undefined
  return /^(acls|dps):/m.test(source) ? 'faucet' : 'kubernetes'
}

const interfaceWords =
  /(?:-[io]|--(?:in|out)-interface|[io]if(?:name)?)\s+(?:!=\s+)?(?:\{([^}]*)\}|"?([\w.*+@-]+)"?)/g

/** A network of each version for each interface that a text names. */
export const interfacesOf = (source: string): Map<string, string> => {
  const names = new Set<string>()
  for (const [, list, one] of source.matchAll(interfaceWords))
    for (const name of (list ?? one ?? '').split(',')) names.add(name.trim().replaceAll('"', ''))
  for (const [, right] of source.matchAll(/"[io]ifname"\s*}\s*}\s*,\s*"right"\s*:\s*"([^"]+)"/g))
    names.add(right!)
  const usable = [...names].filter(name => /^[A-Za-z_][\w.-]{0,14}$/.test(name) && name !== 'lo')
  return new Map(usable.map((name, at) => [name, `10.${100 + at}.0.0/16,fd${10 + at}::/16`]))
}
