/** The lab of a branch office on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('branch', 25)
