"""What agents and drivers say in a job's log by themselves: message keys and their sentences in both languages."""

from schemas.block_kind import Words

OF_AGENTS: dict[str, Words] = {
    "screenshot_taken": Words("screenshot {name}", "截图 {name}"),
    "video_recorded": Words("video {name}", "视频记录 {name}"),
    "file_recorded": Words("file {name}", "文件 {name}"),
    "upload_given_up": Words("{name} could not be uploaded: {reason}", "{name} 无法上传: {reason}"),
    "recordings_full": Words(
        "{name} is not kept: too much waits on the robot to be uploaded", "{name} 未保留: 机器人上等待上传的内容过多"
    ),
    "recorder_failed": Words("nothing was recorded: {reason}", "录制失败: {reason}"),
    "artifacts_left_out": Words(
        "{count} files of the program were left out: at most {most} pictures and videos of a run are taken",
        "程序的 {count} 个文件未采集: 每次运行最多采集 {most} 个图片和视频",
    ),
    "outputs_dropped": Words("the outputs are dropped: {reason}", "输出被丢弃: {reason}"),
    "outputs_cut": Words(
        "texts among the outputs are cut to their last {characters} characters",
        "输出中的文本只保留最后 {characters} 个字符",
    ),
    "lines_left_out": Words(
        "{count} lines of output were left out: more than {most} a second", "省略了 {count} 行输出: 每秒超过 {most} 行"
    ),
    "processes_stay": Words(
        "processes of this run do not end; they are killed again and again", "本次运行的进程没有结束, 正在反复强制结束"
    ),
}
"""By message key."""
