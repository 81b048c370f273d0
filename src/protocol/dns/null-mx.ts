/**
 * A domain that says it takes no mail: one MX record, and its host is the root.
 *
 * Beside other MX records a root host means nothing, and is passed over like any impossible name.
 *
 * RFC 7505 section 3 (the record), section 4.1 (status 5.1.10 for the sender).
 */

import type { MxRecord } from './mx.ts'

export function isNullMx(records: readonly MxRecord[]): boolean {
  return records.length > 0 && records.every(({ exchange }) => exchange === '' || exchange === '.')
}
