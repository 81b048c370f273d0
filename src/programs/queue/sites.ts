/**
 * What is known of the sites mail goes to: which domain belongs to which, and the pace of each.
 *
 * In memory only and bounded: what is forgotten begins afresh, which costs an attempt, never mail.
 */

import type { SiteNotice } from '../../contracts/delivery.ts'
import type { Outcome } from '../../contracts/outcome.ts'
import type { Pace, SiteEvent } from '../../policy/concurrency.ts'
import { FRESH_PACE, paceAfter } from '../../policy/concurrency.ts'
import type { Place } from './dispatch.ts'
import { placeOfLane } from './dispatch.ts'
import { BoundedMap } from './surroundings.ts'

const MOST_DOMAINS = 20_000
const MOST_SITES = 10_000

export class Sites {
  readonly #sites = new BoundedMap<string, { readonly site: string; readonly until: number }>(
    MOST_DOMAINS,
  )
  readonly #paces = new BoundedMap<string, Pace>(MOST_SITES)

  learn(notice: SiteNotice, now: number): void {
    const until = now + notice.ttlSeconds * 1000
    this.#sites.set(notice.domain, { site: `site/${notice.site}`, until })
  }

  siteOf(domain: string, now: number): string | undefined {
    const known = this.#sites.get(domain)
    return known !== undefined && known.until > now ? known.site : undefined
  }

  /** Where mail of this lane goes, as far as is known now. */
  placeOf(lane: string, now: number): Place {
    return placeOfLane(lane, (domain) => this.siteOf(domain, now))
  }

  pace(site: string): Pace {
    return this.#paces.get(site) ?? FRESH_PACE
  }

  /** An operator says that hosts answer again: every site is tried as if nothing were known of it. */
  forgetPaces(): void {
    this.#paces.clear()
  }

  /** Takes note of an attempt; answers the site's pace if it rests now and did not before. */
  attempted(
    site: string,
    event: SiteEvent | undefined,
    context: { readonly startedAt: number; readonly now: number; readonly most: number },
  ): Pace | undefined {
    if (event === undefined) return undefined
    const before = this.pace(site)
    const after = paceAfter(before, event, context)
    this.#paces.set(site, after)
    return after.restsUntil > Math.max(before.restsUntil, context.now) ? after : undefined
  }
}

/** What the outcomes of one attempt show of its site; nothing said shows nothing. */
export function siteEventOf(outcomes: readonly Outcome[]): SiteEvent | undefined {
  if (outcomes.some(({ kind }) => kind === 'delivered')) return 'delivered'
  if (outcomes.some((outcome) => outcome.kind === 'deferred' && outcome.unreachable === true)) {
    return 'unreachable'
  }
  return outcomes.length > 0 ? 'answered' : undefined
}
