/** Where a lab can be told. */
export const stageNames = ['sim', 'netns', 'mininet'] as const
export type StageName = (typeof stageNames)[number]
