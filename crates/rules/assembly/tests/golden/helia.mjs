// Writes helia.json and helia.car: what Helia makes of some files and directories, so that our own
// builder can be compared with it without Helia. See README.md.
import { writeFile } from 'node:fs/promises'
import { car } from '@helia/car'
import { unixfs } from '@helia/unixfs'
import { MemoryBlockstore } from 'blockstore-core'
import { createHelia } from 'helia'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'

const helia = await createHelia({ blockstore: new MemoryBlockstore(), start: false })
const fs = unixfs(helia)
const MIB = 1 << 20

/** The same bytes as `content` in tests/common: a linear congruential generator's high bytes. */
function content (size) {
  const bytes = new Uint8Array(size)
  let state = size >>> 0
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const files = []
for (const size of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]) {
  files.push({ size, cid: (await fs.addBytes(content(size))).toString() })
}

async function * zeros (size) {
  const piece = new Uint8Array(MIB)
  for (let left = size; left > 0; left -= MIB) yield piece.subarray(0, Math.min(left, MIB))
}
const large = []
for (const size of [1024 * MIB, 1024 * MIB + 1]) {
  large.push({ size, cid: (await fs.addByteStream(zeros(size))).toString() })
}

const small = []
for (const [chunk, width] of [[4, 2], [4, 3], [5, 4]]) {
  for (const size of [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 36, 37, 100, 1000]) {
    const options = {
      chunker: fixedSize({ chunkSize: chunk }),
      layout: balanced({ maxChildrenPerNode: width })
    }
    small.push({ chunk, width, size, cid: (await fs.addBytes(content(size), options)).toString() })
  }
}

const trees = {
  one: [['main.wasm', 10]],
  order: [['b', 1], ['a', 2], ['ab', 3], ['B', 4], ['a.b', 5], ['\u00e9', 6], ['z\u{1f600}', 7]],
  nested: [['manifest.json', 20], ['bin/main.wasm', MIB + 1], ['assets/img/a.png', 3], ['assets/empty', 0]],
  same: [['x/a', 9], ['y/a', 9]]
}
const directories = []
for (const [name, entries] of Object.entries(trees)) {
  let root
  const source = entries.map(([path, size]) => ({ path, content: content(size) }))
  for await (const entry of fs.addAll(source, { wrapWithDirectory: true })) root = entry
  directories.push({ name, entries, cid: root.cid.toString(), size: Number(root.size) })
  if (name === 'order') {
    const pieces = []
    for await (const piece of car(helia).export(root.cid)) pieces.push(piece)
    await writeFile('helia.car', Buffer.concat(pieces))
  }
}
const empty = (await fs.addDirectory()).toString()

await writeFile('helia.json', JSON.stringify({ files, large, small, directories, empty }, null, 1) + '\n')
await helia.stop()
