import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const skip = process.platform === 'linux' ? false : 'reads /proc, which Linux has'

test('what the starter left open reaches no child, and the process goes on', {
  skip,
}, () => {
  const module = join(import.meta.dirname, 'foreign-descriptors.ts')
  const script = `
    const { closeForeignDescriptors } = await import(${JSON.stringify(module)})
    const { spawnSync } = await import('node:child_process')
    closeForeignDescriptors()
    await new Promise((resolve) => setImmediate(resolve))
    const look = 'for fd in /proc/self/fd/*; do readlink $fd; done'
    process.stdout.write(spawnSync('sh', ['-c', look], { encoding: 'utf8' }).stdout)
  `
  const file = openSync('/etc/hostname', 'r')
  const stdio: (number | 'pipe' | 'ignore')[] = ['ignore', 'pipe', 'pipe', file]
  while (stdio.length < 40) stdio.push('ignore')
  stdio.push(file)
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio,
    encoding: 'utf8',
  })
  assert.equal(done.status, 0, done.stderr)
  assert.match(done.stdout, /\/fd|pipe|socket/)
  assert.doesNotMatch(done.stdout, /\/etc\/hostname/)
})
