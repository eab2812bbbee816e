/** The office lab on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('office', 30)
