import assert from 'node:assert/strict'
import { test } from 'node:test'
import { siteNotices } from './site-notices.ts'

test('a site is told once, again when it changes, and again after half of its time', () => {
  let now = 0
  const sent: string[] = []
  const notice = siteNotices(
    () => now,
    ({ domain, site }) => sent.push(`${domain}=${site}`),
  )
  const say = (site: string) => notice({ type: 'site', domain: 'a.test', site, ttlSeconds: 100 })
  say('x')
  say('x')
  say('y')
  now = 49_999
  say('y')
  now = 50_001
  say('y')
  assert.deepEqual(sent, ['a.test=x', 'a.test=y', 'a.test=y'])
})
