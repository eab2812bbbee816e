/** The campus lab on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('campus', 36)
