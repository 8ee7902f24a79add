// Writes bitswap.json: messages as Helia's Bitswap writes them. See README.md.
import { writeFile } from 'node:fs/promises'
import { CID } from 'multiformats/cid'
import { BitswapMessage } from './node_modules/@helia/bitswap/dist/src/pb/message.js'

const raw = CID.parse('bafkreig2xu5p65u7a7vsszkad2yctf2oxorua6x5akzg3w2wj2s7r35ooi')
const node = CID.parse('bafybeih5e537lsvucef3o2fpqor5pf55iijmfa7rlixbtmhkyjrf562luu')
const hex = (message) => Buffer.from(BitswapMessage.encode(message)).toString('hex')

const wants = hex({
  wantlist: {
    full: false,
    entries: [
      { cid: raw.bytes, priority: 1, wantType: 'WantBlock', sendDontHave: true },
      { cid: node.bytes, priority: 1, wantType: 'WantHave', sendDontHave: true },
      { cid: node.bytes, priority: 1, cancel: true }
    ]
  },
  blocks: [],
  blockPresences: [],
  pendingBytes: 0
})
const answer = hex({
  blocks: [{ prefix: Uint8Array.from([1, 0x55, 0x12, 0x20]), data: Uint8Array.from([0xbd]) }],
  blockPresences: [
    { cid: raw.bytes, type: 'HaveBlock' },
    { cid: node.bytes, type: 'DoNotHaveBlock' }
  ],
  pendingBytes: 7
})
await writeFile('bitswap.json', JSON.stringify({ wants, answer }, null, 1) + '\n')
