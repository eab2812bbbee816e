/** The ring lab on every stage. */
import { holdsOnEveryStage } from './stories.js'

holdsOnEveryStage('ring', 23)
