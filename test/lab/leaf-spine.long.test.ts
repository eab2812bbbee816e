/** The leaf-spine lab on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('leaf-spine', 39)
