/**
 * launcher: starts an agent as the recipient, when the queue asks for one.
 */

import type { LauncherSettings } from '../../contracts/settings.ts'
import { openAccounts } from '../../io/accounts.ts'
import { AgentProcesses } from '../../io/agent-processes.ts'
import { systemClock } from '../../io/clock.ts'
import { currentAccount, lookUpGroup } from '../../io/privilege.ts'
import { beginProgram, connectionToQueue } from '../../io/program.ts'
import { Launcher } from './launch.ts'

const program = await beginProgram<LauncherSettings>()
const { release, separated } = program.beginning
let { settings } = program.beginning
const agents = new AgentProcesses(systemClock, program.log)
const leave = () => void agents.end().then(() => process.exit(0))
program.handle({
  onSettings: (given) => (settings = given),
  onFinish: leave,
})
process.on('disconnect', () => process.exit(0))

const accounts = await openAccounts(separated)
const onlyAccount = separated ? undefined : currentAccount()
const mailGroup = await lookUpGroup('mail')
const mailGid = mailGroup.kind === 'found' ? mailGroup.value : undefined
const planner = () => ({ release, settings, accounts, onlyAccount, mailGid })
const launcher = new Launcher(planner, import.meta.dirname, agents)
connectionToQueue('launcher', {
  self: { release, program: 'launcher' },
  onOpen: (stream, head) => {
    void launcher.answer(stream, head)
    return {}
  },
  onHello: () => program.ready(),
  onLost: leave,
})
