// A Helia node as it comes, with TCP and GossipSub, beside one of ours: hears its gossip and talks
// back, fetches a file from it by Bitswap, builds files, and offers one.
//
// Arguments: folder of the packages, our node's address, topic, CID of our file. Prints one JSON
// object when all is done, and stays until its standard input ends.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, address, topic, wanted] = process.argv.slice(2);
const find = createRequire(`${folder}/`);
const load = (name) => import(pathToFileURL(find.resolve(name)).href);
const { createHelia } = await load("helia");
const { unixfs } = await load("@helia/unixfs");
const { gossipsub } = await load("@libp2p/gossipsub");
const { identify } = await load("@libp2p/identify");
const { ping } = await load("@libp2p/ping");
const { multiaddr } = await load("@multiformats/multiaddr");
const { CID } = await load("multiformats/cid");
const { sha256 } = await load("multiformats/hashes/sha2");

const MIB = 1 << 20;

/** The same bytes as `content` in helia.rs: a linear congruential generator's high bytes. */
function content(size) {
  const bytes = new Uint8Array(size);
  let state = size >>> 0;
  for (let i = 0; i < size; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

// What goes out into the world is left out; how content is moved is not touched.
const helia = await createHelia({
  libp2p: {
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    peerDiscovery: [],
    services: { identify: identify(), ping: ping(), pubsub: gossipsub() },
  },
});
await helia.start();
const { libp2p } = helia;
const { pubsub } = libp2p.services;
const fs = unixfs(helia);

// A message begins with the time when it was published: microseconds since 1970, eight bytes.
const STAMP = 8;

function stamped(text) {
  const words = new TextEncoder().encode(text);
  const bytes = new Uint8Array(STAMP + words.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Date.now()) * 1000n);
  bytes.set(words, STAMP);
  return bytes;
}

const heard = new Promise((done) => {
  pubsub.addEventListener("message", ({ detail }) => {
    const text = new TextDecoder().decode(detail.data.subarray(STAMP));
    if (detail.topic === topic && text.startsWith("from girrona")) done(text);
  });
});
pubsub.subscribe(topic);
await libp2p.dial(multiaddr(address));
const message = await heard;
await pubsub.publish(topic, stamped(`from helia, after ${message}`));

const hash = createHash("sha256");
let size = 0;
const begin = performance.now();
for await (const piece of fs.cat(CID.parse(wanted), { signal: AbortSignal.timeout(60_000) })) {
  hash.update(piece);
  size += piece.length;
}
const fetchedMs = Math.round(performance.now() - begin);

const cids = {};
for (const length of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]) {
  cids[length] = (await fs.addBytes(content(length))).toString();
}
const own = await fs.addBytes(content(64 * MIB));
// The longest block that anybody takes.
const largest = content(2 * MIB);
const block = CID.createV1(0x55, await sha256.digest(largest));
await helia.blockstore.put(block, largest);

console.log(JSON.stringify({
  peer: libp2p.peerId.toString(),
  agent: libp2p.services.identify?.host?.agentVersion ?? null,
  message,
  fetched: { size, sha256: hash.digest("hex"), ms: fetchedMs },
  cids,
  own: own.toString(),
  block: block.toString(),
}));

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
