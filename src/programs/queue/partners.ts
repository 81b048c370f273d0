/**
 * The other ends: connections to receivers, pickup, console, launcher and remote agents, as the
 * supervisor brings them. Any of them may come, go and come again. After a reload a program and its
 * successor are both connected: new work goes to the newer, the older finishes what it has and
 * leaves. What arrives on them is decoded here and handed to whoever answers it.
 */

import type { Socket } from 'node:net'
import type { ConsoleRequest } from '../../contracts/control.ts'
import { consoleRequest } from '../../contracts/control.ts'
import type { SiteNotice } from '../../contracts/delivery.ts'
import { siteNotice } from '../../contracts/delivery.ts'
import type { RecipientAnswer, SubmissionHead } from '../../contracts/submission.ts'
import { queueRequest } from '../../contracts/submission.ts'
import type { ProgramName } from '../../contracts/supervision.ts'
import type { Stream, StreamListener } from '../../io/connection.ts'
import { Connection } from '../../io/connection.ts'
import type { Submitter } from './room.ts'
import type { Surroundings } from './surroundings.ts'

export interface PartnerService {
  readonly submit: (stream: Stream, head: SubmissionHead, submitter: Submitter) => StreamListener
  readonly check: (address: string) => Promise<RecipientAnswer>
  readonly control: (stream: Stream, request: ConsoleRequest) => Promise<void>
  readonly onSite: (notice: SiteNotice) => void
  /** A partner that work waits for has come or gone. */
  readonly onChange: () => void
}

export class Partners {
  readonly #surroundings: Surroundings
  readonly #service: PartnerService
  readonly #connections = new Set<Connection>()
  readonly #remotes = new Map<number, Connection>()
  #launcher: Connection | undefined

  constructor(surroundings: Surroundings, service: PartnerService) {
    this.#surroundings = surroundings
    this.#service = service
  }

  get launcher(): Connection | undefined {
    return this.#launcher
  }

  get remotes(): ReadonlyMap<number, Connection> {
    return this.#remotes
  }

  connect(socket: Socket, program: ProgramName, index: number): void {
    const name = `${program}.${index}`
    const connection: Connection = new Connection(socket, {
      self: this.#surroundings.self,
      speaksFirst: true,
      ...this.#answersTo(program),
      onHello: () => this.#greeted(connection, program, index),
      onLost: (why) => this.#lost(connection, { name, program, index, why }),
    })
    this.#connections.add(connection)
  }

  closeAll(): void {
    for (const connection of this.#connections) connection.close()
  }

  #answersTo(program: ProgramName): {
    readonly onOpen?: (stream: Stream, head: unknown) => StreamListener
    readonly onNotice?: (value: unknown) => void
  } {
    switch (program) {
      case 'receiver':
      case 'pickup': {
        const submitter: Submitter = { program }
        return { onOpen: (stream, head) => this.#answerRequest(stream, head, submitter) }
      }
      case 'console':
        return { onOpen: (stream, head) => this.#answerConsole(stream, head) }
      case 'remote':
        return { onNotice: (value) => this.#hearNotice(value) }
      case 'launcher':
      case 'queue':
        return {}
    }
  }

  #greeted(connection: Connection, program: ProgramName, index: number): void {
    if (program === 'launcher') this.#launcher = connection
    if (program === 'remote') this.#remotes.set(index, connection)
    this.#service.onChange()
  }

  #lost(
    connection: Connection,
    partner: {
      readonly name: string
      readonly program: ProgramName
      readonly index: number
      readonly why: string
    },
  ): void {
    const { name, index, why } = partner
    if (this.#launcher === connection) this.#launcher = undefined
    if (this.#remotes.get(index) === connection) this.#remotes.delete(index)
    this.#connections.delete(connection)
    this.#surroundings.log.write({ event: 'partner-lost', fields: { partner: name, why } })
    this.#service.onChange()
  }

  #answerRequest(stream: Stream, head: unknown, submitter: Submitter): StreamListener {
    const request = queueRequest(head)
    if (!request.ok) return this.#refuse(stream, request.problem)
    switch (request.value.type) {
      case 'submit':
        return this.#service.submit(stream, request.value, submitter)
      case 'recipient':
        void this.#service.check(request.value.address).then((answer) => stream.end(answer))
        return {}
    }
  }

  #answerConsole(stream: Stream, head: unknown): StreamListener {
    const request = consoleRequest(head)
    if (!request.ok) return this.#refuse(stream, request.problem)
    void this.#service.control(stream, request.value).catch((error: unknown) => {
      stream.cancel()
      this.#surroundings.onStoreFailure(error)
    })
    return {}
  }

  #hearNotice(value: unknown): void {
    const notice = siteNotice(value)
    if (notice.ok) this.#service.onSite(notice.value)
    else this.#complain(notice.problem)
  }

  #refuse(stream: Stream, problem: string): StreamListener {
    this.#complain(problem)
    stream.cancel()
    return {}
  }

  #complain(problem: string): void {
    this.#surroundings.log.write({ event: 'malformed-request', fields: { problem } })
  }
}
