/** Values as text, in the words of `ovs-ofctl`. Logs, test failures and `explain` use these lines. */
export { formatActions, formatSubfield } from './text/format-actions.js'
export { formatFlow, formatGroup, formatMeter, type PrintableFlow } from './text/format-flow.js'
export { formatMatch, formatPort } from './text/format-match.js'
export { formatMessage, formatReceived } from './text/format-message.js'
export { parseFlowMod, parseGroupMod, parseMeterMod } from './text/parse-flow.js'
export { FlowTextError } from './text/parse-words.js'
