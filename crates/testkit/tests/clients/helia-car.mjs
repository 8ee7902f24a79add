// A Helia node without a network: names what it builds, reads a CAR file of ours, writes one of its
// own. Everything as its packages do it by default.
//
// Arguments: folder of the packages, our CAR file, its root, a folder of files to build from, where to
// write a CAR file of them. Prints one JSON object.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { pathToFileURL } from "node:url";

const [folder, ours, root, source, theirs] = process.argv.slice(2);
const find = createRequire(`${folder}/`);
const load = (name) => import(pathToFileURL(find.resolve(name)).href);
const { createHelia } = await load("helia");
const { unixfs } = await load("@helia/unixfs");
const { car } = await load("@helia/car");
// This one is only for `import`, which does not look beside another folder.
const { CarReader } = await import(
  pathToFileURL(join(folder, "node_modules/@ipld/car/src/index.js")).href
);
const { CID } = await load("multiformats/cid");

const MIB = 1 << 20;

/** The same bytes as `content` in helia.rs. */
function content(size) {
  const bytes = new Uint8Array(size);
  let state = size >>> 0;
  for (let i = 0; i < size; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const helia = await createHelia({ start: false });
const fs = unixfs(helia);

const cids = {};
for (const length of [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]) {
  cids[length] = (await fs.addBytes(content(length))).toString();
}

// One leaf more than a node has links: a second level. The same chunk again and again.
const chunk = content(MIB);
async function* long() {
  for (let i = 0; i < 1024; i += 1) yield chunk;
  yield content(1);
}
const twoLevels = await fs.addByteStream(long());

// Directories inside directories, and an empty one.
const empty = await fs.addDirectory();
const put = async (length, directory, name) =>
  fs.cp(await fs.addBytes(content(length)), directory, name);
const inner = await put(0, empty, "e");
const middle = await fs.cp(inner, await put(MIB + 1, empty, "c"), "d");
const outer = await fs.cp(middle, await put(1, await put(3 * MIB + 5, empty, "z"), "a"), "b");

// Ours, read here.
const archive = car(helia);
await archive.import(await CarReader.fromIterable(createReadStream(ours)));
const read = {};
for await (const entry of fs.ls(CID.parse(root))) {
  const hash = createHash("sha256");
  for await (const piece of fs.cat(entry.cid)) hash.update(piece);
  read[entry.name] = hash.digest("hex");
}

// Its own, for us to read.
let built;
async function* files() {
  for (const name of await readdir(source)) {
    yield { path: name, content: await readFile(join(source, name)) };
  }
}
for await (const { cid } of fs.addAll(files(), { wrapWithDirectory: true })) built = cid;
const out = createWriteStream(theirs);
for await (const piece of archive.export(built)) out.write(piece);
out.end();
await finished(out);

console.log(JSON.stringify({
  cids,
  twoLevels: twoLevels.toString(),
  empty: empty.toString(),
  directory: outer.toString(),
  read,
  built: built.toString(),
}));
process.exit(0);
