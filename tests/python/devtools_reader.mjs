// Reads a .heapsnapshot with the code of Chrome's DevTools, and prints what that makes of it, as JSON:
// node devtools_reader.mjs FOLDER FILE, where FOLDER/node_modules has heap-snapshot-toolkit (DevTools' front end, packed).
import { createReadStream } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [folder, file] = process.argv.slice(2)
const { parse } = await import(pathToFileURL(`${folder}/node_modules/heap-snapshot-toolkit/index.js`))
const snapshot = await parse(createReadStream(file, 'utf-8'))
const stacks = new Map()

function stackOf (node) {
  if (!node.traceNodeId()) return []
  if (!stacks.has(node.traceNodeId())) {
    const frames = snapshot.allocationStack(node.nodeIndex).slice(0, -1) // the last is the root of the tree
    stacks.set(node.traceNodeId(), frames.map(frame => [frame.functionName, frame.scriptName, frame.line]))
  }
  return stacks.get(node.traceNodeId())
}

const nodes = []
for (let index = 0; index < snapshot.nodeCount; index++) {
  const node = snapshot.createNode(index * snapshot.nodeFieldCount)
  const edges = []
  for (const at = node.edges(); at.hasNext(); at.next()) {
    edges.push([at.edge.type(), String(at.edge.name()), at.edge.node().id()])
  }
  nodes.push({
    id: node.id(), type: node.type(), name: node.name(), size: node.selfSize(), retained: node.retainedSize(), edges, stack: stackOf(node)
  })
}
const births = snapshot.allocationTracesTops().map(top => [top.name, top.line, top.count, top.size])
console.log(JSON.stringify({ total: snapshot.totalSize, nodes, births }))
