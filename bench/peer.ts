/**
 * What a benchmark needs of a mail server: a port, the place where its mail ends, its processes.
 */

export interface Peer {
  readonly name: string
  readonly port: number
  /** The domain whose users have mailboxes. */
  readonly domain: string
  /** Below this directory are the Maildirs of the twenty users. */
  readonly mail: string
  /** The process at the top of its tree. */
  readonly pid: number
  stop(): Promise<void>
}
