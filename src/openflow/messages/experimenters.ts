/** Numbers of experimenters. */
export const onf = 0x4f4e4600
export const nicira = 0x00002320
