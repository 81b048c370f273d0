/**
 * A DNS for tests, written as a literal: names with their records. What is not there does not exist.
 *
 *     fakeDns({ 'example.test': { mx: [[10, 'a.test']] }, 'a.test': { a: ['192.0.2.1'] }, 'bad.test': 'fails' })
 */

import type { Lookup, RecordTypes, Resolver } from '../../src/io/dns.ts'

export interface FakeName {
  readonly mx?: readonly (readonly [preference: number, exchange: string])[]
  readonly a?: readonly string[]
  readonly aaaa?: readonly string[]
}
export type FakeZone = Readonly<Record<string, FakeName | 'fails'>>

export function fakeDns(zone: FakeZone): Resolver & { readonly asked: readonly string[] } {
  const asked: string[] = []
  const lookUp = async (
    name: string,
    type: keyof RecordTypes,
  ): Promise<Lookup<RecordTypes[keyof RecordTypes]>> => {
    asked.push(`${type} ${name}`)
    const entry = zone[name]
    if (entry === 'fails') return { kind: 'temporary', because: 'SERVFAIL' }
    if (entry === undefined) return { kind: 'nothing', missing: 'name', ttlSeconds: 60 }
    const records = recordsOf(entry, type)
    if (records.length === 0) return { kind: 'nothing', missing: 'record', ttlSeconds: 60 }
    return { kind: 'found', records, canonicalName: name, ttlSeconds: 60 }
  }
  return { lookUp: lookUp as Resolver['lookUp'], asked }
}

function recordsOf(
  entry: FakeName,
  type: keyof RecordTypes,
): readonly RecordTypes[keyof RecordTypes][] {
  if (type === 'MX') {
    return (entry.mx ?? []).map(([preference, exchange]) => ({ preference, exchange }))
  }
  return (type === 'A' ? entry.a : entry.aaaa) ?? []
}
