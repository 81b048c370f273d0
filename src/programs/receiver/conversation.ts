/**
 * One session at work: reads what the client sends, asks session.ts, does what it says.
 *
 *     silent ──greet──▶ commands ⇄ content (DATA, BDAT), dropping (a refused chunk)
 *                          ⇅            ⇅
 *                        waiting for the queue                 any ──▶ closed
 *
 * Commands are taken strictly in order and one at a time; replies to what arrived together leave together.
 * While the queue is waited for, the client may send a little ahead and then is not read from. After the
 * last reply whatever still comes is thrown away unread.
 *
 * RFC 5321 section 3.8 (ending a session), RFC 2920 section 3.2 (pipelining, the server's part).
 */

import type { Duplex } from 'node:stream'
import type { RecipientAnswer } from '../../contracts/submission.ts'
import type { Log } from '../../io/log.ts'
import { LIMITS } from '../../policy/limits.ts'
import { parseCommand } from '../../protocol/smtp/command.ts'
import { nextLine } from '../../protocol/smtp/line.ts'
import type { Reply } from '../../protocol/smtp/reply.ts'
import { formatReply, greeting, REPLY } from '../../protocol/smtp/reply.ts'
import type { QueueDoor } from './enqueue.ts'
import { CONTENT_REFUSAL, LINE_REFUSAL } from './refusals.ts'
import type { Effect, Session, SessionPolicy, Turn } from './session.ts'
import {
  contentAnswered,
  contentRefused,
  FRESH,
  isBetweenTransactions,
  recipientAnswered,
  step,
} from './session.ts'
import { Transfer } from './transfer.ts'

export interface Surroundings {
  readonly policy: SessionPolicy
  /** Received and Delivered-To fields before a message is looping. */
  readonly hops: number
  readonly queue: QueueDoor
  readonly log: Log
  readonly now: () => Date
}

type Phase = 'silent' | 'commands' | 'content' | 'dropping' | 'waiting' | 'closed'

const COMMAND_LIMITS = {
  address: { localPart: LIMITS.localPart.value, domain: LIMITS.domain.value },
  parameters: LIMITS.commandParameters.value,
  name: LIMITS.helloName.value,
}
const NO_BYTES = Buffer.alloc(0)

export class Conversation {
  readonly #socket: Duplex
  readonly #client: string
  readonly #around: Surroundings
  #session: Session = FRESH
  #phase: Phase = 'silent'
  #leaving: 'no' | 'between transactions' | 'now' = 'no'
  /** Bytes from the client; those before `#at` are done with. */
  #input: Buffer = NO_BYTES
  #at = 0
  #inputEnded = false
  #output = ''
  #transfer: Transfer | undefined
  /** The chunk being read, or dropped. */
  #chunk: { left: number; readonly last: boolean } | undefined
  #afterDropping: Reply = REPLY.ok

  constructor(socket: Duplex, client: string, around: Surroundings) {
    this.#socket = socket
    this.#client = client
    this.#around = around
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('drain', () => this.#advance())
    socket.on('end', () => {
      this.#inputEnded = true
      this.#advance()
    })
    socket.on('error', () => this.#gone())
    socket.on('close', () => this.#gone())
  }

  /** Begins. Who has spoken before is no mail server, and is not talked to. */
  greet(): void {
    if (this.#phase !== 'silent') return
    this.#phase = 'commands'
    this.#say(greeting(this.#around.policy.hostname))
    this.#advance()
  }

  /** The client has been silent for too long; while the queue is asked, that is no fault of its. */
  idle(): void {
    if (this.#phase === 'waiting') return
    this.#refuseSession('idle', [REPLY.idleTooLong])
  }

  /** Ends when the running transaction has ended. */
  finish(): void {
    if (this.#leaving === 'no') this.#leaving = 'between transactions'
    this.#advance()
  }

  /** Ends at once, but says first what became of a message that the queue is deciding on. */
  abandon(): void {
    this.#leaving = 'now'
    this.#advance()
  }

  #receive(bytes: Buffer): void {
    if (this.#phase === 'closed') return
    if (this.#phase === 'silent') return this.#refuseSession('early talker', [REPLY.earlyTalker])
    const rest = this.#input.subarray(this.#at)
    this.#input = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    this.#at = 0
    this.#advance()
    if (this.#isAhead()) this.#socket.pause()
  }

  /** Does all that can be done with what is here. */
  #advance(): void {
    let more = true
    while (more && !this.#socket.writableNeedDrain) {
      more = this.#turn()
      if (this.#output.length > LIMITS.pendingOutput.value) this.#flush()
    }
    this.#flush()
    if (this.#socket.isPaused() && !this.#isAhead()) this.#socket.resume()
    if (!more && this.#inputEnded && this.#phase !== 'waiting') this.#close([])
  }

  /** Answers whether there may be more to do. */
  #turn(): boolean {
    switch (this.#phase) {
      case 'commands':
        return this.#leaveIfAsked() || this.#readCommand()
      case 'content':
        return this.#leaveIfAsked() || this.#readContent()
      case 'dropping':
        return this.#leaveIfAsked() || this.#drop()
      case 'silent':
        return this.#leaveIfAsked()
      case 'waiting':
      case 'closed':
        return false
    }
  }

  #leaveIfAsked(): boolean {
    if (this.#leaving === 'no') return false
    const busy = this.#phase === 'content' || this.#phase === 'dropping'
    const open = busy || !isBetweenTransactions(this.#session)
    if (this.#leaving === 'between transactions' && open) return false
    this.#close(busy ? [REPLY.queueAway, REPLY.leaving] : [REPLY.leaving])
    return true
  }

  #readCommand(): boolean {
    const line = nextLine(this.#input, this.#at, LIMITS.commandLine.value)
    switch (line.kind) {
      case 'incomplete':
        return false
      case 'refused':
        this.#refuseSession(`command: ${line.problem}`, [LINE_REFUSAL[line.problem]])
        return true
      case 'line':
        this.#at = line.next
        this.#carryOut(
          step(this.#session, parseCommand(line.text, COMMAND_LIMITS), this.#around.policy),
        )
        return true
    }
  }

  #carryOut(turn: Turn): void {
    if (turn.refused !== undefined) this.#logRefusal(turn.refused)
    this.#session = turn.session
    if (isBetweenTransactions(turn.session)) {
      this.#transfer?.cancel()
      this.#transfer = undefined
    }
    this.#phase = 'commands'
    this.#carryOutEffect(turn.effect)
  }

  #carryOutEffect(effect: Effect): void {
    switch (effect.kind) {
      case 'reply':
        return this.#say(effect.reply)
      case 'close':
        return this.#close(effect.replies)
      case 'check':
        return this.#check(effect)
      case 'data':
        this.#say(effect.reply)
        this.#chunk = undefined
        return this.#beginContent('DATA')
      case 'chunk':
        this.#chunk = { left: effect.size, last: effect.last }
        return this.#beginContent('BDAT')
      case 'drop':
        return this.#beginDropping(effect)
    }
  }

  #check({ recipient }: Extract<Effect, { readonly kind: 'check' }>): void {
    const { queue, policy } = this.#around
    const settle = (answer: RecipientAnswer) =>
      this.#carryOut(recipientAnswered(this.#session, recipient, answer, policy))
    const answer = queue.recipient(recipient.address)
    if (answer instanceof Promise) this.#wait(answer, settle)
    else settle(answer)
  }

  #beginContent(form: 'DATA' | 'BDAT'): void {
    this.#phase = 'content'
    if (this.#transfer !== undefined || isBetweenTransactions(this.#session)) return
    const { policy, hops, queue } = this.#around
    const limits = { messageSize: policy.messageSize, hops }
    this.#transfer = new Transfer(form, { envelope: this.#session.envelope, queue, limits })
  }

  #readContent(): boolean {
    const transfer = this.#transfer
    const chunk = this.#chunk
    if (transfer === undefined) return false
    const until = chunk === undefined ? this.#input.length : this.#at + chunk.left
    const bytes = this.#input.subarray(this.#at, until)
    if (bytes.length === 0 && chunk?.left !== 0) return false
    const { read, written } = transfer.read(bytes)
    this.#at += read
    if (chunk !== undefined) chunk.left -= read
    if (transfer.hopeless) return this.#giveUpContent(transfer)
    if (transfer.ended) return this.#endContent(transfer)
    if (written !== undefined) this.#wait(written, () => this.#contentWritten(transfer))
    else this.#contentWritten(transfer)
    return true
  }

  /** What has been read is with the queue: on with the content, or with what follows the chunk. */
  #contentWritten(transfer: Transfer): void {
    this.#phase = 'content'
    if (this.#chunk?.left !== 0) return
    if (transfer.problem !== undefined)
      this.#carryOut(contentRefused(this.#session, transfer.problem))
    else if (!this.#chunk.last) this.#carryOut({ session: this.#session, effect: CHUNK_OK })
    else this.#wait(transfer.finishChunks(), () => this.#endContent(transfer))
  }

  #endContent(transfer: Transfer): true {
    if (transfer.problem !== undefined) {
      this.#carryOut(contentRefused(this.#session, transfer.problem))
    } else if (!isBetweenTransactions(this.#session)) {
      const { policy, now } = this.#around
      const source = {
        client: this.#client,
        hello: this.#session.hello,
        hostname: policy.hostname,
      }
      this.#transfer = undefined
      this.#wait(transfer.commit(source, now()), (answer) =>
        this.#carryOut(contentAnswered(this.#session, answer)),
      )
    }
    return true
  }

  #giveUpContent({ problem }: Transfer): true {
    const reply = problem === undefined ? REPLY.tooLarge : CONTENT_REFUSAL[problem].reply
    this.#refuseSession(`content: ${problem}, and far too much of it`, [reply])
    return true
  }

  #beginDropping({ size, reply }: Extract<Effect, { readonly kind: 'drop' }>): void {
    if (size > LIMITS.refusedContent.value) return this.#close([reply])
    this.#phase = 'dropping'
    this.#chunk = { left: size, last: false }
    this.#afterDropping = reply
  }

  #drop(): boolean {
    const chunk = this.#chunk
    if (chunk === undefined) return false
    const dropped = Math.min(chunk.left, this.#input.length - this.#at)
    this.#at += dropped
    chunk.left -= dropped
    if (chunk.left > 0) return false
    this.#phase = 'commands'
    this.#say(this.#afterDropping)
    return true
  }

  #wait<Value>(promise: Promise<Value>, then: (value: Value) => void): void {
    this.#phase = 'waiting'
    void promise.then((value) => {
      if (this.#phase !== 'waiting') return
      then(value)
      this.#advance()
    })
  }

  #refuseSession(because: string, replies: readonly Reply[]): void {
    if (this.#phase === 'closed') return
    this.#logRefusal({ because })
    this.#close(replies)
  }

  #logRefusal(refused: { readonly recipient?: string; readonly because: string }): void {
    const from = isBetweenTransactions(this.#session)
      ? undefined
      : `<${this.#session.envelope.reversePath}>`
    const to = refused.recipient === undefined ? undefined : `<${refused.recipient}>`
    const fields = { client: this.#client, from, to, because: refused.because }
    this.#around.log.write({ event: 'refused', fields })
  }

  #say(reply: Reply): void {
    this.#output += formatReply(reply)
  }

  #flush(): void {
    if (this.#output === '') return
    const output = this.#output
    this.#output = ''
    this.#socket.write(output, 'latin1')
  }

  #isAhead(): boolean {
    return this.#input.length - this.#at > LIMITS.pendingInput.value
  }

  /** The last words. The socket lives on for a moment, read and unheeded, so that they arrive. */
  #close(replies: readonly Reply[]): void {
    if (this.#phase === 'closed') return
    for (const reply of replies) this.#say(reply)
    this.#flush()
    this.#gone()
    this.#socket.end()
    this.#socket.resume()
    const timer = setTimeout(() => this.#socket.destroy(), LIMITS.farewell.value * 1_000).unref()
    this.#socket.once('close', () => clearTimeout(timer))
  }

  #gone(): void {
    this.#phase = 'closed'
    this.#input = NO_BYTES
    this.#at = 0
    this.#transfer?.cancel()
    this.#transfer = undefined
  }
}

const CHUNK_OK: Effect = { kind: 'reply', reply: REPLY.chunkOk }
