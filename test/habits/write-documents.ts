/** `npm run docs` */
import { writeFileSync } from 'node:fs'
import { documents } from './documents.js'

for (const [path, write] of Object.entries(documents)) writeFileSync(path, write())
