/**
 * Tells the queue which site answers for a domain, when that is news: once, again when it has changed,
 * and again when half of its time to live is over.
 */

import type { SiteNotice } from '../../contracts/delivery.ts'

/** Domains remembered; a forgotten one is told again, which does no harm. */
const MOST_DOMAINS = 10_000

export function siteNotices(
  now: () => number,
  send: (notice: SiteNotice) => void,
): (notice: SiteNotice) => void {
  const told = new Map<string, { readonly site: string; readonly until: number }>()
  return (notice) => {
    const last = told.get(notice.domain)
    if (last?.site === notice.site && now() < last.until) return
    told.delete(notice.domain)
    told.set(notice.domain, { site: notice.site, until: now() + notice.ttlSeconds * 500 })
    for (const oldest of told.keys()) {
      if (told.size <= MOST_DOMAINS) break
      told.delete(oldest)
    }
    send(notice)
  }
}
