/** The wan lab on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('wan', 18)
