/* Writes vectors/*.json from the cases in src/testing. Run through `npm run vectors -w protocol`, which builds first. */
import { writeFile } from 'node:fs/promises'
import { printVectors, vectorFiles } from '../dist/testing/vectors.js'

for (const [name, content] of Object.entries(vectorFiles())) {
  await writeFile(new URL(`../vectors/${name}`, import.meta.url), printVectors(content))
}
